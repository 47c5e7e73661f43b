"""What holds for every test."""

import signal

# Started in the background, as by nohup or a runner, we ignore SIGINT, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
