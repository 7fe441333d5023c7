"""`python -m doctor.gpu_check`."""

from doctor.gpu_check.command import main

if __name__ == "__main__":
    main()
