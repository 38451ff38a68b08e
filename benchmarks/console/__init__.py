"""What the desk and the wall cost: the browser, the line, and the console between them."""
