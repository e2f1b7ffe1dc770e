"""The server: `streamlit run app.py`, or `caretrace serve`. Its pages run through the shell."""

import streamlit as st

from attribution import settings
from attribution.paths import SHELL
from attribution.ui import server

home = settings.home()
server.checked(home)
app = st.App(
    SHELL,
    lifespan=server.lifespan,
    routes=server.routes(home),
    middleware=server.middleware(home),
    secrets=server.login(home),
    on_script_error=server.say_error,
)

if __name__ == "__main__":
    server.serve(8501, home)
