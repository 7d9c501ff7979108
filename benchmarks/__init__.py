"""Speed measurements of the project: `make bench`. They are not tests, and no test is timed."""
