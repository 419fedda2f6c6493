"""What the converters of released data sets share: files, layouts, splits and label orientation."""
