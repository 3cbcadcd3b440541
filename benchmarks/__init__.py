"""`make bench`: ratios against what a user would use instead, both sides measured in turn in one run."""
