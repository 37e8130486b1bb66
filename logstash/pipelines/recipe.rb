# The first and the last step of every recipe: from a line of any source to a value of the topic ml-logs, in the
# form in which shipper itself writes it. What stands between the two steps says what the parts of the line mean.
#
# step "line"    In:   [message]  the line, each byte as one character (ISO-8859-1), or text already
#                Out:  [message]  text; [@metadata][line] the same, which nothing changes any more;
#                      tags has _not_utf8 where the bytes were no UTF-8 (read as Windows-1252 then, or as Latin-1)
# step "value"   In:   fields of the schema, set by the recipe; [@metadata][text] what happened, in a sentence;
#                      [@metadata][time] when, as the line had it; @timestamp the same, as the date filter read it;
#                      tags has _unparsed where no pattern fitted
#                Out:  [@metadata][value] the document as JSON, [@metadata][key] for Kafka
#
# Nothing is lost: a line that no pattern fits is a document with the whole line as its message, tagged _unparsed; a
# time that cannot be read is replaced by that of arrival, tagged _time_unparsed; a line too long for a record is cut,
# marked and tagged _cut. Each tag is counted by its name in Elasticsearch, and by the events.in of the
# filter `unparsed` in GET :9600/_node/stats/pipelines/<recipe>.

require "digest"
require "ipaddr"
require "json"
require "securerandom"
require "socket"

LEVELS = {
  "trace" => "debug", "finest" => "debug", "fine" => "debug", "notset" => "debug", "notice" => "info", "log" => "info",
  "statement" => "info", "detail" => "info", "hint" => "info", "context" => "info", "query" => "info",
  "location" => "info", "information" => "info", "success" => "info", "warn" => "warning", "err" => "error",
  "severe" => "error", "crit" => "critical", "fatal" => "critical", "panic" => "critical", "alert" => "critical",
  "emerg" => "critical", "emergency" => "critical"
}.freeze
KNOWN = %w[debug info warning error critical].freeze
# Which groups of fields a recipe may set; each is in schema/fields.yml.
GROUPS = %w[log service process http url client labels numeric_labels].freeze
TRACEBACK = /^Traceback \(most recent call last\):$/
PYTHON_ERROR = /\A([A-Za-z_][\w.]*)(?::\s(.*))?\z/m
JAVA_ERROR = /^(?:Caused by: )?([a-z][\w$]*(?:\.[\w$]+)*\.[A-Z][\w$]*)(?:: (.*))?$/
JAVA_FRAME = /^\s+at [\w.$<>\/@-]+\(/
# So much is kept of each text where a line is too long for a record (characters).
CUT_CHARACTERS = 8000
# Room for key and frame of a record beside its value (bytes).
ENVELOPE_BYTES = 1000

def register(params)
  @step = params["step"]
  return if @step == "line"
  schema = JSON.parse(File.read(params["schema"], encoding: "UTF-8"))
  @keeps_original = schema.fetch("original") && params["keep_original"].to_s != "false"
  @dataset = params["dataset"]
  @namespace = params["namespace"]
  @service = params["service"]
  @max_bytes = Integer(params["max_bytes"])
  @now = params["now"].to_s.empty? ? nil : params["now"]
  @hostname = Socket.gethostname
end

def filter(event)
  @step == "line" ? read_line(event) : write_value(event)
  [event]
end

def read_line(event)
  line = event.get("message").to_s
  begin
    bytes = line.encode(Encoding::ISO_8859_1).force_encoding(Encoding::UTF_8)
    unless bytes.valid_encoding?
      bytes = as_windows_1252(bytes) || line
      event.tag("_not_utf8")
    end
    line = bytes
  rescue EncodingError
    # Text already: the input had another character set than ours.
  end
  # Written on Windows, and by editors that begin a file with a mark.
  line = line.gsub("\r\n", "\n").chomp.delete_prefix("\uFEFF")
  event.set("message", line)
  event.set("[@metadata][line]", line)
end

# Nil where there is a byte that it does not have; then each byte stays the character of its number.
def as_windows_1252(bytes)
  bytes.dup.force_encoding(Encoding::Windows_1252).encode(Encoding::UTF_8)
rescue EncodingError
  nil
end

def write_value(event)
  line = event.get("[@metadata][line]") || event.get("message").to_s
  text = event.get("[@metadata][text]")
  # Of a line that was understood and says nothing.
  text = "" if text.nil? && !tagged?(event, "_unparsed")
  head, error = without_stack(line)
  # A stack is stored once, as the error's; what is before it is the entry.
  text = text ? without_stack(text)[0] : head
  document = {
    "@timestamp" => time(event),
    "event" => { "id" => id(event), "dataset" => @dataset },
    "message" => text
  }
  document.merge!(fields(event))
  document["error"] = error if error
  document["host"] = { "name" => host(event) }
  document["data_stream"] = { "type" => "logs", "dataset" => @dataset, "namespace" => @namespace }
  # One place for the entry as it was, and only where the message is not that already.
  document["event"]["original"] = head if @keeps_original && text != head
  # That an entry has several lines is nothing that anybody looks for.
  tags = Array(event.get("tags")).map(&:to_s) - ["multiline"]
  document["tags"] = tags unless tags.empty?
  event.set("[@metadata][value]", fitted(document, line, event))
  event.set("[@metadata][key]", Digest::SHA256.hexdigest("#{host(event)}\n#{path(event)}")[0, 20])
end

def tagged?(event, tag)
  Array(event.get("tags")).include?(tag)
end

def fields(event)
  found = GROUPS.to_h { |name| [name, event.get("[#{name}]")] }.select { |_, value| value.is_a?(Hash) && !value.empty? }
  log = found["log"] = (found["log"] || {}).slice("level", "logger", "origin")
  log["level"] = level(log["level"])
  found["service"] = { "name" => @service }.merge(found["service"] || {})
  address = found.dig("client", "ip")
  found.delete("client") unless address.nil? || ip?(address)
  numbers(found)
  found
end

# Numbers of the fields that the schema has as such; what is no number becomes a label.
def numbers(found)
  [%w[process pid], %w[http response status_code]].each do |*groups, name|
    inner = found.dig(*groups)
    next if inner.nil? || !inner.key?(name)
    given = inner[name].to_s
    inner[name] = given.to_i
    next if given.match?(/\A\d{1,18}\z/)
    inner.delete(name)
    (found["labels"] ||= {})[name] = given unless given.empty?
  end
  measures = (found["numeric_labels"] || {}).select { |_, value| value.to_s.match?(/\A-?\d{1,15}(\.\d{1,15})?\z/) }
  found["numeric_labels"] = measures.transform_values { |value| value.to_s.include?(".") ? value.to_f : value.to_i }
  found.delete("numeric_labels") if measures.empty?
end

def level(given)
  word = given.to_s.strip.downcase.sub(/\Adebug[1-5]\z/, "debug")
  word = LEVELS.fetch(word, word)
  KNOWN.include?(word) ? word : "info"
end

# An address alone: not with a network's mask or a machine's interface, which Elasticsearch refuses.
def ip?(text)
  IPAddr.new(text.to_s)
  text.to_s.match?(/\A[0-9a-fA-F.:]+\z/)
rescue IPAddr::Error
  false
end

# An entry without the stack that follows it, and the error: type, text and stack. Python's tracebacks, Java's stacks.
def without_stack(line)
  return [line, nil] unless line.include?("\n")
  lines = line.split("\n", -1)
  start = lines.index { |each| each.match?(TRACEBACK) }
  return [lines[0...start].join("\n"), python_error(lines[start..])] if start&.positive?
  frame = lines.index { |each| each.match?(JAVA_FRAME) }
  start = frame && (1...frame).find { |number| JAVA_ERROR.match?(lines[number]) }
  start ? [lines[0...start].join("\n"), java_error(lines[start..])] : [line, nil]
end

# The error follows the frames of the last traceback, which are indented; its text may have several lines.
def python_error(stack)
  head = stack.rindex { |each| each.match?(TRACEBACK) }
  first = (head + 1...stack.length).find { |number| stack[number].match?(/\A[^\s]/) }
  match = first && PYTHON_ERROR.match(stack[first..].join("\n"))
  { "type" => match && match[1], "message" => match && match[2], "stack_trace" => stack.join("\n") }.compact
end

def java_error(stack)
  match = JAVA_ERROR.match(stack[0])
  { "type" => match[1], "message" => match[2], "stack_trace" => stack.join("\n") }.compact
end

# With six digits, as shipper writes it. The date filter has read it, to the millisecond; digits beyond that are
# taken from the text.
def time(event)
  given = event.get("[@metadata][time]")
  failed = tagged?(event, "_time_unparsed")
  return @now || Time.now.utc.strftime("%Y-%m-%dT%H:%M:%S.%6NZ") if given.nil? || failed
  read = event.get("@timestamp").time.utc
  fraction = given[/:\d\d[.,](\d+)/, 1].to_s
  micros = fraction.length > 3 ? fraction.ljust(6, "0")[0, 6] : read.strftime("%6N")
  read.strftime("%Y-%m-%dT%H:%M:%S.") + micros + "Z"
end

# The same line has the same id whenever it is read, if its place is known: then a second reading is no second
# document. A file input does not tell the place.
def id(event)
  kafka = event.get("[@metadata][kafka]")
  offset = event.get("[log][offset]")
  place =
    if kafka.is_a?(Hash) && kafka["offset"]
      kafka.values_at("topic", "partition", "offset").join("/")
    elsif offset
      [host(event), path(event), offset].join("/")
    end
  place ? Digest::SHA256.hexdigest("#{@service}\n#{place}")[0, 32] : SecureRandom.uuid
end

def host(event)
  # Where it happened, if the line says so; else where it was read.
  name = event.get("[@metadata][host]") || event.get("[host][name]") || event.get("[host][hostname]")
  name.is_a?(String) && !name.empty? ? name : @hostname
end

def path(event)
  event.get("[log][file][path]").to_s
end

# The document as JSON. Where it is too large for a record each of its texts is cut, with its length.
def fitted(document, line, event)
  value = JSON.generate(document)
  return value if value.bytesize <= @max_bytes - ENVELOPE_BYTES
  event.tag("_cut")
  document["tags"] = (document["tags"] || []) | ["_cut"]
  document["event"].delete("original")
  document["numeric_labels"] = (document["numeric_labels"] || {}).merge("line_bytes" => line.bytesize)
  # A dozen texts at the most, a character of up to six bytes.
  JSON.generate(cut(document, [CUT_CHARACTERS, [@max_bytes / 100, 64].max].min))
end

def cut(value, limit)
  case value
  when Hash then value.transform_values { |inner| cut(inner, limit) }
  when String then value.length <= limit ? value : "#{value[0, limit]} ... (#{value.length} characters)"
  else value
  end
end
