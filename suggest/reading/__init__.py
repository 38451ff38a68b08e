"""Files into articles: tables by rows, manuals by headings. What is wrong is told by row and cell."""
