"""Measurements of speed, memory and quality; README.md says what was found with them."""
