"""Files of foundation weights: which are published, and how they get onto a disk whole."""
