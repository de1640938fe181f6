"""`python -m goldseam.collector`: the collector alone, with settings from `GOLDSEAM_*`."""

import sys

from pydantic import ValidationError

from goldseam.collector import CollectorSettings, UnsafeBindingError, serve


def main() -> None:
    """Run until told to stop; a wrong setting ends the program with its name and what is wrong."""
    try:
        serve(CollectorSettings.model_validate({}))
    except ValidationError as error:
        sys.exit("\n".join(_explain(error)))
    except UnsafeBindingError as error:
        sys.exit(str(error))


def _explain(error: ValidationError) -> list[str]:
    return [
        f"GOLDSEAM_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
        for fault in error.errors()
    ]


if __name__ == "__main__":
    main()
