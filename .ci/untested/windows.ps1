# Untested. Makes dist\airylabel-windows.zip; run in the repository with Python 3.11 or newer.
$ErrorActionPreference = "Stop"
$base = python -c "import sys; print(sys.base_prefix)"
$root = "build\bundle\airylabel"
Remove-Item -Recurse -Force build\bundle -ErrorAction SilentlyContinue
New-Item -ItemType Directory -Force $root, dist | Out-Null
Copy-Item -Recurse $base "$root\python"
Remove-Item -Recurse -Force "$root\python\Lib\test", "$root\python\Lib\site-packages\*"
python -m pip install --no-compile --target "$root\python\Lib\site-packages" -c constraints.txt ".[all]"
Set-Content "$root\airylabel.cmd" '@start "" "%~dp0python\pythonw.exe" -m labeler %*'
Compress-Archive $root dist\airylabel-windows.zip
