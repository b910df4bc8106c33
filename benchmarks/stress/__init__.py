"""What a wrong model costs each policy, exactly or by simulation."""
