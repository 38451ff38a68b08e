"""Words and what they mean: tables that come with the product, and those of the company."""
