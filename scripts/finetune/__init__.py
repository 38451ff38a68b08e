"""From a folder of calls to a promoted model: prepare, validate, split, train, evaluate, export, promote."""
