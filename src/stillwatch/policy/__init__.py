"""From a finding to a verdict to an action: graduated, shadowed, appealable, audited."""
