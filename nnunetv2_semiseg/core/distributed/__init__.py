"""A training by several processes, one for each GPU: what they tell each other, and when they wait."""
