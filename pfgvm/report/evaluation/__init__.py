"""The evaluation in the report: a summary, one sentence on each proposed method, and a table for each part."""
