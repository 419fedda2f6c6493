"""What the scores of all cases say: summaries, differences, costs, and the report that holds them."""
