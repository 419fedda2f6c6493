"""Raw datasets, preprocessing of unlabeled images, views and loaders."""
