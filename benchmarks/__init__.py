"""What logging costs, ours and others', measured the same way."""
