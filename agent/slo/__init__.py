"""Pure: from judged attempts to burn rates and error budgets, in exact integers."""
