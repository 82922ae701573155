"""What every long run needs: time, threads, a bar of progress, and an ear for Ctrl-C."""
