"""Pure: alerts that need no objective. Which there are, when each holds, what it says."""
