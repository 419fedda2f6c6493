"""Training, predicting and measuring several trainers under the same conditions, by nnU-Net's commands."""
