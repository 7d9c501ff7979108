"""The report: tables as numbers, then beside the paper's, as text, figures and a page."""
