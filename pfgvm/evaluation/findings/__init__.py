"""What was found: rates, means and intervals from what models, recognisers and metrics said of each image."""
