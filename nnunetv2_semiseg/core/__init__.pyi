from .batch import SemiSegBatch as SemiSegBatch
from .config import (
    STRICT as STRICT,
    Precision as Precision,
    TrainingConfig as TrainingConfig,
    ViewsConfig as ViewsConfig,
    config_values as config_values,
    merged_section as merged_section,
    parse_config as parse_config,
)
from .errors import (
    DivergedError as DivergedError,
    UnsupportedError as UnsupportedError,
    UserError as UserError,
    UserFileError as UserFileError,
)
from .files import (
    atomic_file as atomic_file,
    locked as locked,
    read_json as read_json,
    reading as reading,
    replacing as replacing,
    staged_folder as staged_folder,
    write_json as write_json,
)
from .memory import (
    give_freed_memory_back as give_freed_memory_back,
    keep_freed_memory as keep_freed_memory,
    peak_memory as peak_memory,
)
from .processes import WorkerKilledError as WorkerKilledError, results_of_workers as results_of_workers
