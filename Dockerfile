# DRAEM Heatmap Explorer in a container:
#   docker build -t draem-explorer .
#   docker run -p 127.0.0.1:8501:8501 -v draem-state:/state -v /path/to/datasets:/data:ro draem-explorer
# The state (checkpoints, runs, demo dataset, scores) is in the volume; the container itself can be thrown away.
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 explorer && install -d -o explorer /state

COPY . /source
RUN pip install --no-cache-dir /source && rm -rf /source

USER explorer
WORKDIR /state
VOLUME /state
ENV DRAEM_HOME=/state DRAEM_DATA=/data

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

# Inside the container it must listen to all of its addresses; which of them the world sees is said by `docker run -p`.
CMD ["draem-explorer", "run", "--address", "0.0.0.0"]
