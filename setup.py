"""Packaging of spark-entities."""

from pathlib import Path

from setuptools import find_packages, setup

SPARK = ["pyspark>=4.0.1,<5", "pandas>=2.2,<3"]
CONNECT = ["pyspark[connect]>=4.0.1,<5", "pandas>=2.2,<3"]
EVALUATE = ["seqeval>=1.2.2"]
MLFLOW = ["mlflow-skinny>=3", "pandas>=2.2,<3"]
BENCHMARK = ["matplotlib"]
NOTEBOOK = [*SPARK, *EVALUATE, "ipykernel", "matplotlib"]
RIVALS = ["daft", "ray[data]"]
DEV = [
    "build",
    "databricks-bundles",
    "duckdb",
    "hypothesis",
    "mypy",
    "nbclient",
    "pandas-stubs",
    "pytest",
    "pytest-xdist",
    "ruff",
    "setuptools>=77",
    "types-PyYAML",
]

setup(
    name="spark-entities",
    version="0.1.0",
    description="Token classification over document tables with Apache Spark",
    long_description=Path(__file__).with_name("README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "udfs/bundled/NOTICE"],
    packages=find_packages(include=["spark_entities", "spark_entities.*"]),
    package_data={
        "spark_entities": ["py.typed"],
        "spark_entities.jobs.report": ["*.html"],
        "spark_entities.jobs.spark": ["*.properties"],
        "spark_entities.udfs.bundled": ["*.json", "*.safetensors", "NOTICE", "README.md"],
    },
    python_requires=">=3.11",
    install_requires=[
        "filelock>=3.12",
        "huggingface_hub>=0.30",
        "Jinja2>=3.1",
        "numpy>=1.26",
        "pyarrow>=15",
        "pydantic>=2.10",
        "pydantic-settings>=2.8",
        "PyYAML>=6",
        "regex>=2025.7.33",
        "rich>=13",
        "safetensors>=0.4.3",
        "tokenizers>=0.21",
        "torch>=2.6",
        "transformers>=4.56",
    ],
    # Databricks and most clusters bring their own pyspark and pandas, which must not be replaced.
    extras_require={
        "spark": SPARK,
        "connect": CONNECT,  # a client of Spark Connect
        "notebook": NOTEBOOK,
        "evaluate": EVALUATE,
        "mlflow": MLFLOW,  # registered models, and ours for serving
        "benchmark": BENCHMARK,
        "rivals": RIVALS,  # run by the benchmark where they are installed
        "dev": [*CONNECT, *NOTEBOOK, *MLFLOW, *BENCHMARK, *DEV],
    },
    entry_points={"console_scripts": ["spark-entities = spark_entities.jobs.__main__:main"]},
)
