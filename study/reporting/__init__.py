"""How it is shown: reports, figures, the dashboard, archives."""
