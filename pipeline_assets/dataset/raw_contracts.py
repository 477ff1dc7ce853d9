"""Raw tables: the stored parts of vendors' text files, and the records of delimited files."""

from pipeline_assets.dataset.contract import Contract, Field, Int, Long, String


class RawText(Contract):
    """One row per stored part of a vendor's text file; the lines are read from ``part_uri``."""

    source_uri: String = Field(description="The vendor's file; `#member` if it is in an archive.")
    member: String = Field(description="Which of the delivery's files it is.")
    part: Int = Field(ge=0, description="Place of the part in its file, from 0.")
    part_uri: String = Field(description="Where the part is stored.")
    first_line: Long = Field(ge=1, description="Line number of the part's first line in the file.")
    line_count: Long = Field(ge=1, description="Lines in the part.")
    escaped_lines: Long = Field(ge=0, description="Lines that could only be stored escaped.")
    size_bytes: Long = Field(
        ge=1,
        description="Bytes as stored: lines end in LF, also where the vendor's end in CR LF; "
        "a CR anywhere else is kept in an escaped line.",
    )
    unterminated_line: Long = Field(
        ge=0, description="Line number of a last line without newline, which may be cut; else 0."
    )
    member_size_bytes: Long = Field(ge=0, description="Bytes of the whole file as delivered.")
    member_sha256: String = Field(description="SHA-256 of the whole file as delivered, in hex.")


class RawRecords(Contract):
    """One row per record of a vendor's delimited file, all text; subclasses add its columns."""

    source_uri: String = Field(description="The vendor's file.")
    row_number: Long = Field(ge=1, description="Place of the record in its file, from 1.")
    problem: String = Field(
        nullable=True,
        description="All reasons why the record could not be split into columns, if any.",
    )
    raw: String = Field(
        personal=True, nullable=True, description="Text of a record that could not be split."
    )


class RejectedRecords(Contract):
    """One row per record that could not be used; subclasses add the partition."""

    source_uri: String = Field(description="The vendor's file.")
    row_number: Long = Field(ge=1, description="Place of the record in its file, from 1.")
    reason: String = Field(description="All that is wrong with it, joined by commas.")
    raw: String = Field(
        personal=True,
        description="Its text, at most 4,096 characters; fields joined by tabs.",
    )
