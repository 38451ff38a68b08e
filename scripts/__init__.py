"""Tools for those who build and train; nothing in the product imports them."""
