"""Images on their way into a training, from the files of a release to batches of two views.

Releases become raw datasets of nnU-Net (`conversion`, `raw`), several of them may become one (`merging`),
their unlabeled images are preprocessed (`unlabeled`) and loaded beside the labeled ones (`loading`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
