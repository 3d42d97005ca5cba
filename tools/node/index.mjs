// The same for `import`: what index.js exports, by name.
import kedge from './index.js';

export const {
  Adapter, Answer, Chat, ChatReader, Checkpoint, Engine, Generation, KedgeError, Model, Router, Session,
  auditExport, auditList, auditShow, auditVerify, calibrate, calibratorApply, checkAnswer, defaultThreads,
  detectReferences, indexBuild, indexInfo, indexSearch, libraryPath, models, routeReport, settingsSchema, systemInfo,
  version,
} = kedge;
export default kedge;
