"""What a person sees of a training while it goes on: a line of progress, a picture of unlabeled images."""
