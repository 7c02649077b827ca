from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest
from conftest_app import Cli, clean_environment, times_of  # noqa: F401
