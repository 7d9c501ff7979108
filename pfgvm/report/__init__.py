"""The report: tables as numbers and next to the paper's, figures, and the page."""
