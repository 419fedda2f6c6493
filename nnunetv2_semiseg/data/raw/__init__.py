"""Raw datasets of nnU-Net: reading and writing them, adding unlabeled images, hiding labels."""
