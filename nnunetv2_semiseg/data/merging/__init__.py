"""Datasets that are annotated for different structures as one dataset of several tasks, and back."""
