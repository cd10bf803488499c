"""An application that logs in to a database all the time, and prints a line for each login: `ok` or `failed`, the
thread, and a fingerprint of the password.

    logins.py PORT THREADS agent REFERENCE     asks the agent for each login
    logins.py PORT THREADS env NAME            has the login in its environment
    logins.py PORT THREADS file PATH COMMAND…  reads a file; at SIGHUP runs the command and reads it anew"""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import psycopg

PORT, THREADS, KIND, SOURCE, *COMMAND = sys.argv[1:]
PAUSE_SECS = float(os.environ.get("LOGIN_PAUSE_SECS", "0"))


def of_agent():
    import strongroom_agent
    return json.loads(strongroom_agent.secret(SOURCE))


def of_file():
    return json.loads(pathlib.Path(SOURCE).read_text())


def fingerprint(login):
    return hashlib.sha256(login["password"].encode()).hexdigest()[:8]


def live(number, login):
    # Threads read one after the other, so that at any moment one has just done so.
    time.sleep(PAUSE_SECS * number / int(THREADS))
    while True:
        # The rotation is to have a turn on a small machine too.
        time.sleep(0.05)
        try:
            got = login()
        except Exception as error:
            tell("failed", number, "-", f"not read: {error}")
            time.sleep(0.1)
            continue
        time.sleep(PAUSE_SECS)
        began = time.monotonic()
        where = {"host": "127.0.0.1", "port": PORT, "dbname": "postgres", "connect_timeout": 20}
        try:
            with psycopg.connect(user=got["username"], password=got["password"], **where) as connection:
                assert connection.execute("SELECT current_user").fetchone()[0] == got["username"]
            tell("ok", number, fingerprint(got))
        except psycopg.Error as error:
            tell("failed", number, fingerprint(got), f"{time.monotonic() - began:.3f} s: {error}")


def tell(*words):
    """In one piece, even if this process is killed meanwhile."""
    line = " ".join(map(str, words)).replace("\n", " ") + "\n"
    os.write(1, line.encode())


if KIND == "file":
    held = [of_file()]

    def reload(*_):
        subprocess.run(COMMAND, check=True)
        held[0] = of_file()

    signal.signal(signal.SIGHUP, reload)
    login = lambda: held[0]
elif KIND == "env":
    given = json.loads(os.environ[SOURCE])
    login = lambda: given
else:
    login = of_agent
for number in range(int(THREADS)):
    threading.Thread(target=live, args=[number, login], daemon=True).start()
while True:
    signal.pause()
