"""`dalsegno task-table`: what makes the table of completions for transactional tasks."""

from events.completions import COMPLETIONS_TABLE


def task_table() -> None:
    """Print the SQL that makes the table of completions, for a database that transactional tasks
    write to. Nothing is executed; it may be run again.

    Examples
    --------
    dalsegno task-table | psql "$ORDERS_DSN"
    """
    print(COMPLETIONS_TABLE, end="")
