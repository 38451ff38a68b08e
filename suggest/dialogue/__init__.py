"""One call as the knowledge base sees it: what was asked, in which language, what was said. Pure."""
