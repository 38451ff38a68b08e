"""Text as the search sees it: keys, pronunciation, words and meanings. Pure."""
