# Whatever arrives in the pipeline ml-dead-letters becomes one line for the dead-letter topic.
#
# In:   a record that ml-logs refused           [@metadata][refusal], [kafka]; [message] is the record
#   or  a document that Elasticsearch refused   [@metadata][payload], [kafka], [index], [id] as ml-logs left them,
#                                               [@metadata][dead_letter_queue][reason], what Elasticsearch answered
#   or  anything else (a script that failed)    kept as it is, with reason `pipeline`
# Out:  [@metadata][dead_letter]                the line
#       [@metadata][event_id]                   its key

require File.join(__dir__, "dead_letter")

# The answer's status decides the reason, with the words of `shipper index` (shipper/index/fate.py).
REASONS = { "400" => "mapping", "404" => "index_missing", "413" => "too_large" }.freeze

# script_params: max_bytes, the largest letter that the dead-letter topic takes
def register(params)
  @max_bytes = Integer(params["max_bytes"])
end

def filter(event)
  refusal, payload = read(event)
  kafka = event.get("[@metadata][kafka]") || {}
  position = kafka.values_at("topic", "partition", "offset")
  event.set("[@metadata][dead_letter]", DeadLetter.line(refusal, position, payload, @max_bytes))
  event.set("[@metadata][event_id]", DeadLetter.clean(refusal["event_id"]))
  [event]
end

def read(event)
  if (refusal = event.get("[@metadata][refusal]"))
    [refusal, DeadLetter.bytes(event, event.get("message"))]
  elsif event.get("[@metadata][dead_letter_queue]")
    [by_elasticsearch(event), original(event)]
  else
    detail = "not handled by the pipeline: #{Array(event.get('tags')).join(', ')}"
    [{ "reason" => "pipeline", "detail" => detail, "at" => now }, original(event)]
  end
end

def by_elasticsearch(event)
  said = event.get("[@metadata][dead_letter_queue][reason]").to_s
  status = said[/status: (\d+)/, 1]
  {
    "reason" => REASONS.fetch(status, "refused"),
    # The answer only: the words before it repeat the whole document.
    "detail" => "status #{status}: #{said[/.*response: (.*)\z/m, 1]}",
    "at" => now,
    "event_id" => event.get("[@metadata][id]"),
    "dataset" => event.get("[event][dataset]") || event.get("event.dataset"),
    "index" => event.get("[@metadata][index]")
  }
end

# The record's bytes; where they are not known, the event as JSON.
def original(event)
  kept = event.get("[@metadata][payload]") || event.get("message")
  kept.is_a?(String) ? DeadLetter.bytes(event, kept) : event.to_json.b
end

def now
  Time.now.utc.strftime("%Y-%m-%dT%H:%M:%S.%6NZ")
end
