from .download import (
    fetch as fetch,
    is_whole as is_whole,
    recognized as recognized,
)
from .registry import (
    DEFAULT_WEIGHTS as DEFAULT_WEIGHTS,
    PUBLISHED_WEIGHTS as PUBLISHED_WEIGHTS,
    PublishedWeights as PublishedWeights,
    weights_folder as weights_folder,
)
from .transfer import (
    DownloadError as DownloadError,
)
