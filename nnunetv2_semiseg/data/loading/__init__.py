"""Batches of labeled and unlabeled patches: the two views, the loaders, and sampling by task."""
