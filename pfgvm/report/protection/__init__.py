"""What the report says of protection: a table for each question of the evaluation, and the verdict in words."""
