"""Unlabeled images of a raw dataset: finding them, and preprocessing those that are new or changed."""
