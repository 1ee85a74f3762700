-- Health of a VodMessageCallback for Argo CD: docs/gitops.md says where to put it.
local hs = { status = "Progressing", message = "Waiting for the operator" }

if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "Being deleted"
  return hs
end
if obj.status == nil or obj.status.conditions == nil then
  return hs
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  hs.message = "Waiting for the operator to see the change"
  return hs
end

local ready, stalled
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then ready = condition end
  if condition.type == "Stalled" and condition.status == "True" then stalled = condition end
end

local function say(status, condition)
  local message = condition.reason or ""
  if condition.message ~= nil and condition.message ~= "" then
    message = message .. ": " .. condition.message
  end
  return { status = status, message = message }
end

if stalled ~= nil then
  return say("Degraded", stalled)
end
if ready == nil then
  return hs
end
if ready.status == "True" then
  return say("Healthy", ready)
end
if ready.reason == "Suspended" then
  return say("Suspended", ready)
end
return say("Progressing", ready)
