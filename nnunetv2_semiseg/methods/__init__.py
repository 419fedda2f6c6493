"""Methods of semi-supervised segmentation: one paper a file, without a trainer.

A method is a subclass of `Method`, see docs/how-to/add-a-method.md. What methods share lies in `parts`,
their losses in `losses`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
