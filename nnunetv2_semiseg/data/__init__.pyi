from .conversion.phantom import (
    PhantomOptions as PhantomOptions,
    write_phantom_dataset as write_phantom_dataset,
)
from .conversion.release import (
    ConversionOptions as ConversionOptions,
    Release as Release,
    SourceCase as SourceCase,
    convert_release as convert_release,
)
from .loading.loader import PairedLoader as PairedLoader, pair_with_unlabeled as pair_with_unlabeled
from .loading.views import (
    TwoViewTransform as TwoViewTransform,
    build_two_view_transform as build_two_view_transform,
)
from .merging.merge_tasks import MergedDataset as MergedDataset, merge_tasks as merge_tasks
from .merging.split_tasks import split_tasks as split_tasks
from .merging.tasks import (
    Task as Task,
    TaskTable as TaskTable,
    is_merged as is_merged,
    read_tasks as read_tasks,
)
from .raw.add_unlabeled import AddedImages as AddedImages, add_unlabeled as add_unlabeled
from .raw.folders import (
    HIDDEN_LABELS as HIDDEN_LABELS,
    UNLABELED_IMAGES as UNLABELED_IMAGES,
    find_raw_dataset as find_raw_dataset,
    raw_folder as raw_folder,
)
from .raw.hide_labels import hide_labels as hide_labels
from .raw.writing import (
    DatasetInfo as DatasetInfo,
    RawCase as RawCase,
    case_name as case_name,
    write_raw_dataset as write_raw_dataset,
)
from .unlabeled.preprocessing import (
    UnlabeledData as UnlabeledData,
    preprocess_unlabeled as preprocess_unlabeled,
)
