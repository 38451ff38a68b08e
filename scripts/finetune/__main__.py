"""Entry point of ``python -m scripts.finetune``."""

from scripts.finetune.commands import data, live, model  # noqa: F401 (they register their commands)
from scripts.finetune.commands.app import main

if __name__ == "__main__":
    main()
